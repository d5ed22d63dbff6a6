"""Tables and figures as files, and the page that holds them."""
