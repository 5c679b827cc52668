"""What was seen before the first change, and what it means: one room for each question, all answers at once."""
