//! Ever larger parts of the text around the cursor.
