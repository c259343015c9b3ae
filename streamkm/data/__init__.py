"""What the rows are: stores, their layout and their attributes."""
