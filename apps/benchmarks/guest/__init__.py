"""What runs on the application host: the clients that are measured, and who measures them."""
