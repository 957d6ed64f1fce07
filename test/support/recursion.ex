defmodule Py.Recursion do
  @moduledoc """
  Python code that goes deeper than any stack, each in its own way.

  Every one of these ends in an exception or a value, as CPython counts levels, or looks at what
  is left of the stack. The count trusts in a stack as large as a program's main thread has.
  """

  @nested """
  nested = 1
  for _ in range(100_000):
      nested = [nested]
  """

  @probes [
    {"a function that calls itself",
     """
     def down(n):
         return down(n + 1)
     down(0)
     """},
    {"a function that may go down 50,000 times",
     """
     import sys
     def down(n):
         return down(n + 1)
     before = sys.getrecursionlimit()
     # Calls of Python functions are on C's stack up to 3.10.
     sys.setrecursionlimit(50_000 if sys.version_info >= (3, 11) else before)
     try:
         down(0)
     finally:
         sys.setrecursionlimit(before)
     """},
    # What repr is in the middle of is a list that it searches at each level, which takes long
    # where 3.14's stack lets it go deeper than this.
    {"repr", String.replace(@nested, "100_000", "20_000") <> "isinstance(repr(nested), str)"},
    {"comparison",
     @nested <>
       "other = eval('1')\nfor _ in range(100_000):\n    other = [other]\nnested == other"},
    # CPython does not count these levels, nor those of iterators in iterators.
    {"hash",
     "value = ()\nfor _ in range(10_000):\n    value = (value,)\nisinstance(hash(value), int)"},
    {"json.loads", "import json\nlen(json.loads('[' * 100_000 + ']' * 100_000))"},
    {"json.dumps", "import json\n" <> @nested <> "len(json.dumps(nested))"},
    {"pickle.dumps", "import pickle\n" <> @nested <> "len(pickle.dumps(nested))"},
    {"pickle.loads", "import pickle\nlen(pickle.loads(b']' * 100_000 + b'a' * 99_999 + b'.'))"},
    {"marshal", "import marshal\n" <> @nested <> "len(marshal.dumps(nested))"},
    {"copy.deepcopy", "import copy\n" <> @nested <> "len(copy.deepcopy(nested))"},
    {"ast.parse of parentheses", "import ast\nast.parse('(' * 10_000 + ')' * 10_000) and None"},
    {"ast.parse of signs", "import ast\nast.parse('-' * 100_000 + '1') and None"},
    {"compile of attributes", "compile('x' + '.a' * 100_000, 'x', 'eval') and None"},
    {"compile of a sum", "compile('+'.join(['1'] * 100_000), 'x', 'eval') and None"},
    {"compile of blocks",
     "compile(''.join(' ' * n + 'if 1:\\n' for n in range(99)) + ' ' * 99 + 'pass', 'x', 'exec') and None"},
    {"compile of a tree",
     """
     import ast
     place = {'lineno': 1, 'col_offset': 0, 'end_lineno': 1, 'end_col_offset': 1}
     tree = ast.Constant(1, **place)
     for _ in range(100_000):
         tree = ast.UnaryOp(ast.USub(), tree, **place)
     compile(ast.Expression(tree), 'x', 'eval') and None
     """},
    {"sorted and its key",
     """
     def key(item):
         return sorted([item], key=key)
     key(1)
     """},
    {"functools.reduce",
     """
     import functools
     def add(a, b):
         return functools.reduce(add, [a, b])
     add(1, 2)
     """},
    {"map in map",
     """
     def down(n):
         return next(map(down, [n + 1]))
     down(0)
     """},
    {"__getattr__",
     """
     class Deep:
         def __getattr__(self, name):
             return getattr(self, name + 'x')
     Deep().x
     """},
    {"__repr__",
     """
     class Deep:
         def __repr__(self):
             return f'{self!r}'
     repr(Deep())
     """},
    {"__eq__ and __hash__ in a dict",
     """
     class Deep:
         def __hash__(self):
             return 1
         def __eq__(self, other):
             return {Deep(): 1} == {Deep(): 1}
     Deep() == Deep()
     """},
    {"__instancecheck__",
     """
     class Meta(type):
         def __instancecheck__(cls, value):
             return isinstance(value, cls)
     class Deep(metaclass=Meta):
         pass
     isinstance(1, Deep)
     """},
    {"isinstance of nested tuples",
     "kinds = int\nfor _ in range(100_000):\n    kinds = (kinds,)\nisinstance('', kinds)"},
    {"a class below 500 classes",
     """
     kind = object
     for _ in range(500):
         kind = type('Kind', (kind,), {})
     isinstance(kind(), object)
     """},
    {"re", "import re\nre.compile('(' * 20_000 + ')' * 20_000) and None"},
    {"re with much to remember", "import re\nre.match('(?:(a)|b)*c', 'ab' * 200_000) is None"},
    {"re.sub and its function",
     """
     import re
     def again(match):
         return re.sub('a', again, 'a')
     again(None)
     """},
    {"yield from",
     """
     def down(n):
         yield from down(n + 1)
     next(down(0))
     """},
    {"__iter__",
     """
     class Deep:
         def __iter__(self):
             return iter(list(self))
     list(Deep())
     """},
    {"a callback from C",
     """
     import ctypes
     kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)
     def down(n):
         return kind(down)(n + 1)
     down(0)
     """},
    {"exceptions below exceptions",
     """
     def down(n):
         try:
             down(n + 1)
         finally:
             1 / 0
     down(0)
     """},
    {"xml",
     "import xml.etree.ElementTree as xml\nxml.fromstring('<a>' * 100_000 + '</a>' * 100_000).tag"},
    {"letting go",
     @nested <>
       "del nested\nclass Node: pass\nnode = None\nfor _ in range(100_000):\n    new = Node()\n    new.next = node\n    node = new\ndel node, new"},
    {"a thread of Python's own",
     """
     import threading
     errors = []
     def down(n):
         return sorted([n + 1], key=down)
     def run():
         try:
             down(0)
         except RecursionError:
             errors.append(1)
     thread = threading.Thread(target=run)
     thread.start()
     thread.join()
     len(errors)
     """},
    {"a value for Elixir", @nested <> "nested"}
  ]

  @doc """
  Runs all of it in one context and answers with what came of each.

  For a BEAM of its own: the name is printed first, so that the last one that a dead BEAM has
  printed is the culprit.
  """
  @spec run(atom) :: [{binary, :value | {:error, binary}}]
  def run(mode) do
    {:ok, context} = Py.Context.start_link(mode: mode)
    results = for {name, code} <- @probes, do: {name, probe(name, code, context)}
    given = {"a value from Elixir", from_elixir(context)}
    :ok = Py.Context.stop(context)
    results ++ [given]
  end

  defp probe(name, code, context) do
    IO.puts(name)
    # Namespaces are told apart by who asks, so this leaves nothing to the next.
    result = Py.Context.eval(context, code, %{}, timeout: 60_000)
    {:ok, 2} = Py.Context.eval(context, "1 + 1")
    in_words(result)
  end

  defp from_elixir(context) do
    IO.puts("a value from Elixir")
    nested = Enum.reduce(1..100_000, 1, fn _, nested -> [nested] end)
    result = Py.Context.call(context, :builtins, :len, [nested])
    {:ok, 2} = Py.Context.eval(context, "1 + 1")
    in_words(result)
  end

  defp in_words({:ok, _value}), do: :value
  defp in_words({:error, %Py.Error{type: type}}), do: {:error, type}

  defp in_words({:error, %module{reason: reason}}),
    do: {:error, "#{inspect(module)}: #{reason}"}
end
