defmodule Py.Object do
  @moduledoc """
  A Python object that stays in Python, held from Elixir.

  Results without a natural Elixir form come back as objects, and `return: :object` asks for one
  in any case. An object lives in its context and everything done with it runs there. Python
  keeps it for as long as some process holds the struct; when the last one is garbage collected,
  the context releases it. When the context ends, its objects answer `:closed`.

  The fields are `:type`, the class it had when it came over, `:context`, the pid of its context,
  and `:ref`, which means something to the native code only.

  ## Options

  Every function below takes `:timeout`. Those that give a value take `:return`, those that call
  something `:kwargs`:

  #{Py.Options.docs(:object)}
  ## Example

      iex> {:ok, deque} = Py.call(:collections, :deque, [[1, 2, 3]])
      iex> inspect(deque)
      "#Py.Object<collections.deque>"
      iex> Py.Object.call_method(deque, :pop, [])
      {:ok, 3}
      iex> Py.Object.call_method!(deque, :extend, [[10, 20]])
      iex> Py.Object.len(deque)
      {:ok, 4}

  Objects are passed to Python like any other value, and calls go to their context by themselves:

      iex> deque = Py.call!(:collections, :deque, [[1, 2, 3]])
      iex> Py.call(:builtins, :sum, [deque])
      {:ok, 6}

  """

  @behaviour Access

  alias Py.{Error, Mistake, Options, Request}

  @operators %{<: "lt", <=: "le", ==: "eq", !=: "ne", >: "gt", >=: "ge"}

  @type t :: %__MODULE__{ref: reference, type: String.t(), context: pid}
  @type result :: Request.result()

  @typedoc "See `buffer_info/2`"
  @type buffer_info :: %{
          shape: tuple,
          strides: tuple,
          format: String.t(),
          itemsize: non_neg_integer,
          nbytes: non_neg_integer,
          readonly: boolean,
          contiguous: boolean
        }

  @buffer_info [:shape, :strides, :format, :itemsize, :nbytes, :readonly, :contiguous]

  @enforce_keys [:ref, :type, :context]
  defstruct [:ref, :type, :context]

  @doc """
  An attribute. `default:` is the answer when there is none of that name.

      iex> point = Py.eval!("__import__('fractions').Fraction(1, 3)", %{}, return: :object)
      iex> Py.Object.getattr(point, :denominator)
      {:ok, 3}
      iex> Py.Object.getattr(point, :colour, default: nil)
      {:ok, nil}

  """
  @spec getattr(t, atom | binary, keyword) :: result
  def getattr(object, name, opts \\ []) do
    options = Options.parse!(:getattr, opts)

    case options do
      %{default: default} -> run(object, {:getattr, object, name, default}, options)
      _without -> run(object, {:getattr, object, name}, options)
    end
  end

  @doc """
  Sets an attribute.

      iex> object = Py.eval!("type('Shape', (), {})()")
      iex> Py.Object.setattr(object, :colour, "red")
      :ok
      iex> Py.Object.getattr(object, :colour)
      {:ok, "red"}

  """
  @spec setattr(t, atom | binary, term, keyword) :: :ok | {:error, Exception.t()}
  def setattr(object, name, value, opts \\ []),
    do: object |> value({:setattr, object, name, value}, opts) |> done()

  @doc """
  Calls the object itself: a function, a class, anything with `__call__`.

      iex> sqrt = Py.eval!("__import__('math').sqrt", %{}, return: :object)
      iex> Py.Object.call(sqrt, [16])
      {:ok, 4.0}

  """
  @spec call(t, list, keyword) :: result
  def call(object, args \\ [], opts \\ [])
  def call(_object, args, _opts) when not is_list(args), do: Mistake.args!(args)

  def call(object, args, opts) do
    options = Options.parse!(:object, opts)
    run(object, {:call_object, object, args, options.kwargs}, options)
  end

  @doc """
  Calls a method. `Py.call(object, method, args, opts)` is the same.

      iex> counter = Py.call!(:itertools, :count, [7])
      iex> Py.Object.call_method(counter, :__next__, [])
      {:ok, 7}

  """
  @spec call_method(t, atom | binary, list, keyword) :: result
  def call_method(object, name, args \\ [], opts \\ []),
    do: Request.call(object, name, args, opts)

  @doc """
  The item with that key or index: `object[key]` in Python.

      iex> deque = Py.call!(:collections, :deque, [["a", "b"]])
      iex> Py.Object.get_item(deque, 1)
      {:ok, "b"}

  """
  @spec get_item(t, term, keyword) :: result
  def get_item(object, key, opts \\ []),
    do: run(object, {:get_item, object, key}, Options.parse!(:object, opts))

  @doc """
  Sets the item with that key or index.

      iex> deque = Py.call!(:collections, :deque, [["a", "b"]])
      iex> Py.Object.set_item(deque, 0, "z")
      :ok

  """
  @spec set_item(t, term, term, keyword) :: :ok | {:error, Exception.t()}
  def set_item(object, key, value, opts \\ []),
    do: object |> value({:set_item, object, key, value}, opts) |> done()

  @doc """
  How many items it has: `len(object)`.

      iex> Py.Object.len(Py.call!(:collections, :deque, [[1, 2]]))
      {:ok, 2}

  """
  @spec len(t, keyword) :: {:ok, non_neg_integer} | {:error, Exception.t()}
  def len(object, opts \\ []), do: value(object, {:len, object}, opts)

  @doc """
  The object as an Elixir term, when it has that form; itself otherwise.

      iex> list = Py.eval!("[1, 2]", %{}, return: :object)
      iex> Py.Object.to_term(list)
      {:ok, [1, 2]}

  """
  @spec to_term(t, keyword) :: result
  def to_term(object, opts \\ []), do: value(object, {:to_term, object}, opts)

  @doc """
  The bytes of an array, an image or anything else with Python's buffer protocol.

  They are copied once, into a binary, in the order of C's arrays whatever the layout is. What has
  no buffer is a `TypeError`. `buffer_info/2` says what the bytes mean; `Py.buffer/1` is the way
  back. See "Arrays" in the guide "Type conversion".

      iex> array = Py.call!(:array, :array, ["h", [1, 2, 3]], return: :object)
      iex> {:ok, binary} = Py.Object.to_binary(array)
      iex> for <<number::signed-native-16 <- binary>>, do: number
      [1, 2, 3]

  """
  @spec to_binary(t, keyword) :: {:ok, binary} | {:error, Exception.t()}
  def to_binary(object, opts \\ []), do: value(object, {:to_binary, object}, opts)

  @doc """
  How the memory of an array or the like is laid out.

    * `:shape` - the size of each dimension, a tuple
    * `:strides` - for each dimension, how many bytes it is to the next element
    * `:format` - an element's type, in the letters of Python's module `struct`
    * `:itemsize` - the bytes of an element
    * `:nbytes` - the bytes of all elements, which is what `to_binary/2` gives
    * `:readonly` - whether Python code may write to it
    * `:contiguous` - whether it lies in one piece, in the order of C's arrays

  ## Example

      iex> view = Py.eval!("memoryview(bytes(12)).cast('h', (2, 3))", %{}, return: :object)
      iex> {:ok, info} = Py.Object.buffer_info(view)
      iex> {info.shape, info.format, info.itemsize, info.nbytes}
      {{2, 3}, "h", 2, 12}

  """
  @spec buffer_info(t, keyword) :: {:ok, buffer_info} | {:error, Exception.t()}
  def buffer_info(object, opts \\ []) do
    with {:ok, facts} <- value(object, {:buffer_info, object}, opts),
         do: {:ok, @buffer_info |> Enum.zip(Tuple.to_list(facts)) |> Map.new()}
  end

  @doc """
  The name of its class, asked anew.

      iex> Py.Object.type(Py.call!(:collections, :deque))
      {:ok, "collections.deque"}

  """
  @spec type(t, keyword) :: {:ok, String.t()} | {:error, Exception.t()}
  def type(object, opts \\ []), do: value(object, {:type, object}, opts)

  @doc """
  The names of its attributes: `dir(object)`.

      iex> {:ok, names} = Py.Object.dir(Py.call!(:collections, :deque))
      iex> "appendleft" in names
      true

  """
  @spec dir(t, keyword) :: {:ok, [String.t()]} | {:error, Exception.t()}
  def dir(object, opts \\ []), do: value(object, {:dir, object}, opts)

  @doc """
  What Python shows for it: `repr(object)`.

      iex> Py.Object.repr(Py.call!(:collections, :deque, [["a"]]))
      {:ok, "deque(['a'])"}

  """
  @spec repr(t, keyword) :: {:ok, String.t()} | {:error, Exception.t()}
  def repr(object, opts \\ []), do: value(object, {:repr, object}, opts)

  @doc """
  What Python prints for it: `str(object)`.

      iex> Py.Object.str(Py.eval!("__import__('fractions').Fraction(1, 3)", %{}, return: :object))
      {:ok, "1/3"}

  """
  @spec str(t, keyword) :: {:ok, String.t()} | {:error, Exception.t()}
  def str(object, opts \\ []), do: value(object, {:str, object}, opts)

  @doc """
  Compares as Python does, with one of `<`, `<=`, `==`, `!=`, `>` and `>=`.

  The answer is what Python's operator gives, which need not be a boolean.

      iex> half = Py.eval!("__import__('fractions').Fraction(1, 2)", %{}, return: :object)
      iex> Py.Object.compare(half, :<, 1)
      {:ok, true}

  """
  @spec compare(t, :< | :<= | :== | :!= | :> | :>=, term, keyword) :: result
  def compare(object, operator, other, opts \\ []) do
    op = {:call, "operator", Map.fetch!(@operators, operator), [object, other], []}
    options = Options.parse!(:value, opts)
    Request.run(op, %{context: object.context, timeout: options.timeout}, :term)
  end

  @doc """
  Whether Python finds two values equal. Errors are raised.

      iex> one = Py.eval!("1", %{}, return: :object)
      iex> Py.Object.equal?(one, 1.0)
      true

  """
  @spec equal?(t, term) :: boolean
  def equal?(object, other), do: Request.bang!(compare(object, :==, other)) == true

  ## Access

  @doc """
  The item with that key or index; this is what `object[key]` uses.

      iex> ages = Py.eval!("{'Ada': 36}", %{}, return: :object)
      iex> {ages["Ada"], ages["Bob"]}
      {36, nil}

  """
  @impl Access
  @spec fetch(t, term) :: {:ok, term} | :error
  def fetch(object, key) do
    case get_item(object, key) do
      {:ok, value} -> {:ok, value}
      {:error, %Error{type: type}} when type in ["KeyError", "IndexError"] -> :error
      {:error, error} -> raise error
    end
  end

  @doc """
  Changes the item with that key or index, in Python; the object stays the same one.

      iex> ages = Py.eval!("{'Ada': 36}", %{}, return: :object)
      iex> update_in(ages["Ada"], &(&1 + 1))["Ada"]
      37

  """
  @impl Access
  @spec get_and_update(t, term, (term -> {term, term} | :pop)) :: {term, t}
  def get_and_update(object, key, fun) do
    current = with {:ok, value} <- fetch(object, key), do: value, else: (:error -> nil)

    case fun.(current) do
      {got, value} ->
        :ok = Request.bang!(set_item(object, key, value))
        {got, object}

      :pop ->
        call_method!(object, :__delitem__, [key])
        {current, object}
    end
  end

  @doc """
  Takes the item with that key or index out of the object.

      iex> ages = Py.eval!("{'Ada': 36}", %{}, return: :object)
      iex> {36, ages} = pop_in(ages["Ada"])
      iex> Py.Object.len(ages)
      {:ok, 0}

  """
  @impl Access
  @spec pop(t, term) :: {term, t}
  def pop(object, key) do
    case fetch(object, key) do
      {:ok, value} ->
        call_method!(object, :__delitem__, [key])
        {value, object}

      :error ->
        {nil, object}
    end
  end

  # Each verb's twin raises the error it would have returned.
  for {name, arities} <- [
        getattr: 2..3,
        setattr: 3..4,
        call: 1..3,
        call_method: 2..4,
        get_item: 2..3,
        set_item: 3..4,
        len: 1..2,
        to_term: 1..2,
        to_binary: 1..2,
        buffer_info: 1..2,
        type: 1..2,
        dir: 1..2,
        repr: 1..2,
        str: 1..2,
        compare: 3..4
      ],
      arity <- arities do
    args = Macro.generate_arguments(arity, __MODULE__)

    @doc "Like `#{name}/#{arity}`, but raises the error."
    def unquote(:"#{name}!")(unquote_splicing(args)),
      do: Request.bang!(unquote(name)(unquote_splicing(args)))
  end

  defp value(object, op, opts), do: run(object, op, Options.parse!(:value, opts))
  defp run(object, op, options), do: Request.object(object, op, options, :term)

  defp done({:ok, _none}), do: :ok
  defp done(error), do: error

  defimpl Inspect do
    # Shows what the struct knows: looking at a value must not run Python.
    def inspect(object, _opts), do: "#Py.Object<#{object.type}>"
  end

  defimpl String.Chars do
    def to_string(object), do: Py.Object.str!(object)
  end
end
