"""Methods x splits x seeds, stored so that a run can be killed and continued."""
