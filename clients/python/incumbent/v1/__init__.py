"""Generated code of the package `incumbent.v1`; `make proto` writes it from proto/."""
