"""Search values of recipe keys on the validation part: the space, the trials, what is kept of them."""
