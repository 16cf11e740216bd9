"""Code that every service needs; nothing about gems."""
