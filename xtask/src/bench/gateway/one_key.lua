-- Every request is the same user's. wrk prepares it once.
wrk.headers["x-user"] = "1"
