"""A real nginx on a published port, in front of nothing and of another container."""

from __future__ import annotations

from pathlib import Path

from ..networks.conftest import Host

SITE = """server {{ listen {port}; root /var/www/html; location /api/ {{ proxy_pass http://api:81/; }} }}
"""
PLAIN = "server { listen 80 default_server; root /var/www/html; }\n"
NGINX = ("nginx", "-g", "daemon off; error_log /dev/stderr;")


def ready(host: Host, name: str, port: int) -> None:
    """Return once something takes connections on that port inside."""
    host.conman.ok("exec", name, "bash", "-c", f"until (: < /dev/tcp/127.0.0.1/{port}) 2>/dev/null; do sleep 0.05; done")


def test_a_site_from_a_folder_of_the_host_is_published(clean: Host, folder: Path) -> None:
    (folder / "html").mkdir()
    (folder / "html/index.html").write_text("<h1>hello from nginx</h1>\n")
    (folder / "default").write_text(PLAIN)
    clean.conman.ok("create", "--name", "web", "-p", "8080:80", "-v", f"{folder}/html:/var/www/html:ro", clean.image, *NGINX)
    clean.conman.ok("cp", str(folder / "default"), "web:/etc/nginx/sites-available/default")
    clean.conman.ok("start", "web")
    ready(clean, "web", 80)
    assert clean.fetch("127.0.0.1", 8080) == "<h1>hello from nginx</h1>"
    (folder / "html/index.html").write_text("another page\n")
    assert clean.fetch("127.0.0.1", 8080) == "another page"
    assert clean.conman.ok("port", "web") == "80/tcp -> 0.0.0.0:8080\n"
    assert clean.conman.ok("ps", "--format", "{{.Names}} {{.Ports}}") == "web 0.0.0.0:8080->80/tcp\n"
    assert clean.conman.ok("exec", "web", "grep", "-c", "GET / HTTP/1.0", "/var/log/nginx/access.log") == "2\n"
    sent = int(clean.conman.ok("stats", "--no-stream", "--format", "{{.NetOutput}}", "web"))
    assert sent > len("<h1>hello from nginx</h1>another page")
    clean.conman.ok("stop", "web")
    assert clean.conman.ok("inspect", "--format", "{{.State.ExitCode}}", "web") == "0\n"


def test_two_containers_find_each_other_by_name(clean: Host, folder: Path) -> None:
    clean.conman.ok("network", "create", "app")
    (folder / "web").write_text(SITE.format(port=80))
    (folder / "api").write_text(SITE.format(port=81).replace("location /api/ { proxy_pass http://api:81/; }", ""))
    for name, options in (("api", ()), ("web", ("-p", "8080:80"))):
        clean.conman.ok("create", "--name", name, "--network", "app", *options, clean.image, *NGINX)
        clean.conman.ok("cp", str(folder / name), f"{name}:/etc/nginx/sites-available/default")
        clean.conman.ok("start", name)
        ready(clean, name, 81 if name == "api" else 80)
    clean.conman.ok("exec", "api", "sh", "-c", "echo from the api > /var/www/html/word")
    assert clean.fetch("127.0.0.1", 8080, "/api/word") == "from the api"
    assert clean.conman.ok("run", "--rm", "--network", "app", clean.image, "bash", "-c",
                           "exec 3<>/dev/tcp/api/81; printf 'GET /word HTTP/1.0\\r\\n\\r\\n' >&3; tail -n 1 <&3") == "from the api\n"


def test_what_nginx_said_is_in_the_log(clean: Host, folder: Path) -> None:
    (folder / "default").write_text("server { nonsense; }\n")
    clean.conman.ok("create", "--name", "web", clean.image, *NGINX)
    clean.conman.ok("cp", str(folder / "default"), "web:/etc/nginx/sites-available/default")
    done = clean.conman("start", "-a", "web")
    assert done.returncode == 1 and 'unknown directive "nonsense"' in done.stderr
    assert 'unknown directive "nonsense"' in clean.conman("logs", "web").stderr


