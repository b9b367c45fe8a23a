"""Forms of the national catalogue of resident health records (third edition, 2017), filled from events.

A form is data: ``form-4.3.csv`` says each field's labels, unit, code list, WS identifier and where in a record its
value stands; ``codes.csv`` says which of our words each national code number means. `record` makes the record of one
visit, `fill` reads it by the form.
"""
