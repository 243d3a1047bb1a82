//! Program -> app: pure functions over what the kernel side wrote down and what a few files say.
