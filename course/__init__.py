"""What stands around the lessons: session plans, book, slides, versions for students and teachers, class-room check, notation.

Each module with a `main` is a command: `python -m course.book`. The Makefile has a verb for each.
"""
