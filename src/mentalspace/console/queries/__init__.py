"""What the pages read. Every function takes a connection that already acts as somebody."""
