"""Turn stored runs into tables, figures and one page."""
