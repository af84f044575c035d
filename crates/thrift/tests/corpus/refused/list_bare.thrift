typedef list L
