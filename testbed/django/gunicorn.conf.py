# Django under gunicorn with synchronous workers. gunicorn has no status page:
# it sends the duration of each request by statsd, to whoever listens.
bind = "127.0.0.1:18180"
workers = 8
worker_class = "sync"
backlog = 128
timeout = 30
statsd_host = "127.0.0.1:18125"
statsd_prefix = "saturate"
