"""What people read: tables, pages and plots, made from records and from the numbers that papers report."""
