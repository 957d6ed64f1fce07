# The steps of scripts/matrix.sh.

case System.argv() do
  ["probe"] -> Py.Matrix.probe()
  ["table", page] -> Py.Matrix.write_table(page)
end
