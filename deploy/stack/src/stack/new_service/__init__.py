"""`make new-service NAME=orders`: a service from the template, added to the system."""
