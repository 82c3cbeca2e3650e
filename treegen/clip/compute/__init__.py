"""More computation for each image at inference: views of it, how their answers are joined, training on them."""
