[
  inputs: [
    "{mix,.formatter}.exs",
    "{config,lib,test,bench,examples}/**/*.{ex,exs}"
  ],
  locals_without_parens: [deftwin: 1]
]
