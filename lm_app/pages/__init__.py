"""What the pages show: a module for each section of the main page, and what they share."""
