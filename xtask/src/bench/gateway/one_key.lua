-- All requests are from one user. wrk prepares the request once.
wrk.headers["x-user"] = "1"
