"""`eval`: does the pair beat one model, on the user's own questions, and for what money.

`turns.py` asks a question of all arms. `question_file.py` reads the questions, `checkers.py` says
whether an answer is right, `significance.py` what the counts show, `verdict.py` what that means in
a sentence, `report.py` and `page.py` show it; `made_questions.py` makes questions that have one
right answer.
"""
