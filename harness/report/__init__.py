"""Tables, pages and plots for readers, made from records and from the numbers that papers report."""
