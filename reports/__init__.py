"""Words: stored runs become tables, figures and one page."""
