#!/usr/bin/env python3
"""Each recipe of examples/COOKBOOK.md, as it stands there."""

import json
import os
import re
import shutil
import subprocess

from browser import ENGINES, Browser, borrowed
from harness import EXAMPLES, HOST, LIMIT, Skipped, case, check, equal, run, wait_for
from node import MODULES, command, node

PEAL_PHP = os.path.join(EXAMPLES, "php", "Peal.php")
WORDPRESS = os.environ.get("PEAL_WORDPRESS") or "/usr/share/wordpress"


def recipes(heading, language):
    """The blocks of a language below a heading."""
    with open(os.path.join(EXAMPLES, "COOKBOOK.md")) as file:
        text = file.read()
    section = re.search(r"^## %s\n(.*?)(?=^## |\Z)" % re.escape(heading), text, re.M | re.S).group(1)
    blocks = re.findall(r"^```%s\n(.*?)^```" % language, section, re.M | re.S)
    check(blocks, "no %s below %s", language, heading)
    return blocks


def here(site, text, old="http://127.0.0.1/publish", path="/publish"):
    check(old in text, "%r is not in: %s", old, text)
    return text.replace(old, "http://%s:%d%s" % (HOST, site.port, path))


def php(place, script, **env):
    """Run a script in Debian's PHP, with Peal.php where it looks for it."""
    if not os.path.exists("/usr/bin/php-cgi"):
        raise Skipped("php-cgi is not installed")
    path = place.path("recipe.php")
    with open(path, "w") as file:
        file.write(script)
    shutil.copy(PEAL_PHP, place.folder)
    done = place.command("/usr/bin/php-cgi", "-q", "-d", "display_errors=1", "-d",
                         "error_reporting=-1", "-d", "include_path=%s:/usr/share/php" % place.folder,
                         "-f", path, env=env)
    return done.stdout


def told(stream, *wanted):
    for topic, data in wanted:
        event = stream.next()
        equal((event.type, json.loads(event.data)), (topic, data), "the event")


@case
def from_a_shell(place):
    place.find("curl")
    site = place.behind_lighttpd()
    stream = site.subscribe("orders", "user-kim")
    one, several, many, again = recipes("From a shell", "sh")
    for script, wanted in ((one, [("order-paid", 17)]),
                           (several, [("order-paid", {"id": 17})]),
                           (many, [("order-paid", {"id": 17}), ("order-paid", {"id": 18})]),
                           (again, [("order-paid", 17)])):
        done = place.command("sh", "-euc", here(site, script))
        equal(done.returncode, 0, done.stderr)
        told(stream, *wanted)
    done = place.command("sh", "-euc", here(site, again))
    check('"duplicate":true' in done.stdout, "the second time: %r", done.stdout)
    equal(stream.last_event_id, "order-17-paid", "the last ID")


@case
def from_php(place):
    keys = place.write("keys", "correct-horse-battery\n")
    site = place.behind_lighttpd("--publish-key-file", keys)
    stream = site.subscribe("orders", "user-kim")
    one, many = recipes("PHP 5.6 to 8", "php")
    many = here(site, many, "https://example.org/publish", "/events")

    equal(php(place, "<?php " + here(site, one) + "order_paid(array('id' => 17));"), "", "output")
    told(stream, ("order-paid", {"id": 17}))
    equal(php(place, "<?php " + many, PEAL_PUBLISH_KEY="correct-horse-battery"), "", "output")
    told(stream, ("order-paid", {"id": 17}), ("order-sent", {"id": 16}))


@case
def from_php_5_6(place):
    site = place.behind_lighttpd()
    stream = site.subscribe("orders")
    one = here(site, recipes("PHP 5.6 to 8", "php")[0]).replace("'Peal.php'", "'/Peal.php'")
    equal(node(place, "php.js", "5.6", PEAL_PHP, "<?php " + one + "order_paid(array('id' => 17));"), "",
          "output")
    told(stream, ("order-paid", {"id": 17}))


@case
def from_wordpress(place):
    """With WordPress's own hooks; get_permalink() and the like, which want a database, are ours."""
    if not os.path.exists(os.path.join(WORDPRESS, "wp-includes", "plugin.php")):
        raise Skipped("no WordPress in %s" % WORDPRESS)
    # Copied, since the folder that they are in need not be open to www-data.
    for name in ("plugin.php", "class-wp-hook.php"):
        shutil.copy(os.path.join(WORDPRESS, "wp-includes", name), place.folder)
    site = place.behind_lighttpd()
    stream = site.subscribe("posts")
    plugin, = recipes("WordPress", "php")
    with open(place.path("live-posts.php"), "w") as file:
        file.write(plugin)
    script = """<?php
        require '%s';
        function plugins_url($name, $file) { return '/' . $name; }
        function esc_url($url) { return htmlspecialchars($url); }
        function get_permalink($post) { return 'http://example.org/?p=' . $post->ID; }
        require '%s';
        $post = (object) array('ID' => 5, 'post_type' => 'post', 'post_title' => 'T\u00e9a & <cake>');
        do_action('transition_post_status', 'draft', 'new', $post);
        do_action('transition_post_status', 'publish', 'draft', $post);
        do_action('transition_post_status', 'publish', 'publish', $post);
        $post->post_type = 'page';
        do_action('transition_post_status', 'publish', 'draft', $post);
        do_action('wp_footer');
        """ % (place.path("plugin.php"), place.path("live-posts.php"))
    footer = php(place, script, PEAL_PUBLISH_URL=here(site, "http://127.0.0.1/publish"))
    post = {"id": 5, "title": "T\u00e9a & <cake>", "link": "http://example.org/?p=5"}
    told(stream, ("post-new", post), ("post-changed", post))
    equal(site.status()["totals"]["published"], 2, "events")

    with open(os.path.join(place.www, "post.html"), "w") as file:
        file.write("<!DOCTYPE html><meta charset=utf-8><body>" + footer)
    with Browser(place) as browser:
        tab = browser.open("http://%s:%d/post.html" % (HOST, site.port))
        wait_for(lambda: site.status()["workers"][0]["streams"] == 2, "the page to listen")
        site.publish("posts", post, "post-new")
        equal(tab.wait("document.querySelector('.live-post')?.textContent"), "New: T\u00e9a & <cake>",
              "what the page shows")


@case
def from_laravel(place):
    """With Laravel's own broadcasting, from Debian's php-illuminate-broadcasting."""
    if not os.path.exists("/usr/share/php/Illuminate/Broadcasting/autoload.php"):
        raise Skipped("php-illuminate-broadcasting is not installed")
    site = place.behind_lighttpd()
    stream = site.subscribe("orders", "private-user.7")
    broadcaster, provider, config = recipes("Laravel", "php")
    with open(place.path("PealBroadcaster.php"), "w") as file:
        file.write(broadcaster)
    script = """<?php
        require 'Illuminate/Broadcasting/autoload.php';
        require 'Illuminate/Container/autoload.php';
        require 'Dotenv/autoload.php';
        require 'Peal.php';
        require '%s';
        use App\\Broadcasting\\PealBroadcaster;
        use Illuminate\\Broadcasting\\BroadcastEvent;
        use Illuminate\\Broadcasting\\BroadcastManager;
        use Illuminate\\Broadcasting\\Channel;
        use Illuminate\\Broadcasting\\PrivateChannel;
        use Illuminate\\Contracts\\Broadcasting\\ShouldBroadcast;
        use Illuminate\\Support\\Facades\\Broadcast;
        use Illuminate\\Support\\Facades\\Facade;

        class OrderPaid implements ShouldBroadcast
        {
            public $id = 17;
            public $socket = 'x';
            public function broadcastOn() { return [new Channel('orders'), new PrivateChannel('user.7')]; }
            public function broadcastAs() { return 'order-paid'; }
        }

        $app = new Illuminate\\Container\\Container;
        $app['config'] = ['broadcasting.default' => 'peal', 'broadcasting.connections.peal' => [%s]['peal']];
        $manager = new BroadcastManager($app);
        $app->instance(Illuminate\\Contracts\\Broadcasting\\Factory::class, $manager);
        Facade::setFacadeApplication($app);
        %s
        (new BroadcastEvent(new OrderPaid))->handle($manager);
        $app['config'] = ['broadcasting.default' => 'peal', 'broadcasting.connections.peal' =>
            ['driver' => 'peal', 'url' => 'http://127.0.0.1:1/']];
        $manager->purge('peal');
        try {
            (new BroadcastEvent(new OrderPaid))->handle($manager);
        } catch (Illuminate\\Broadcasting\\BroadcastException $e) {
            echo 'thrown';
        }
        """ % (place.path("PealBroadcaster.php"), config, provider)
    equal(php(place, script, PEAL_PUBLISH_URL=here(site, "http://127.0.0.1/publish")), "thrown", "output")
    told(stream, ("order-paid", {"id": 17}))


@case
def from_python(place):
    site = place.behind_lighttpd()
    stream = site.subscribe("orders")
    script, = recipes("Python", "python")
    done = place.command("python3", "-c", here(site, script))
    equal((done.returncode, done.stderr), (0, ""), "python")
    told(stream, ("order-paid", {"id": 17}))


# The page's own functions; the first load waits until load() is called.
OWN_FUNCTIONS = """<!DOCTYPE html><script>
    const paid = [];
    let loads = 0;
    let loaded;
    const loadOrders = () => (loads++, loads === 1 ? new Promise(r => loaded = r) : Promise.resolve());
    const showOrders = () => {};
    const showPaid = id => paid.push(id);</script>
    """


@case
def a_page_that_never_misses_anything(place):
    site = place.behind_lighttpd("--max-events", "3", "--retry", "200ms")
    page, = recipes("A page that never misses anything", "html")
    with open(os.path.join(place.www, "page.html"), "w") as file:
        file.write(OWN_FUNCTIONS + page)
    with borrowed(place, *ENGINES) as browsers:
        tabs = [browser.open("http://%s:%d/page.html" % (HOST, site.port)) for browser in browsers]
        for tab in tabs:
            tab.wait("loads === 1")
        site.publish("orders", {"id": 1}, "order-paid")
        for tab in tabs:
            equal(tab.js("paid"), [], "before the state is there")
            tab.js("loaded()")
            tab.wait("paid.join() === '1'")

        equal(site.peal.stop(), [], "left behind")
        for tab in tabs:
            tab.wait("peal.state === 'waiting'")
        place.pealctl("publish", "orders", "order-paid", '{"id":2}')
        site.peal = place.start_peal("--max-events", "3", "--retry", "200ms")
        for tab in tabs:
            tab.wait("paid.join() === '1,2'", LIMIT * 2)
            equal(tab.js("loads"), 1, "how often the state was loaded")

        # Away for too long.
        site.server.kill()
        for tab in tabs:
            tab.wait("peal.state === 'waiting'")
        for n in range(3, 8):
            place.pealctl("publish", "orders", "order-paid", '{"id":%d}' % n)
        site.restart()
        for tab in tabs:
            tab.wait("paid.join() === '1,2,5,6,7'", LIMIT * 2)
            equal(tab.js("loads"), 2, "how often the state was loaded")


@case
def a_page_with_eventsource_alone(place):
    site = place.behind_lighttpd("--max-events", "3")
    script, = recipes("A page with EventSource alone", "js")
    with open(os.path.join(place.www, "page.html"), "w") as file:
        file.write("""<!DOCTYPE html><script>
            const paid = [];
            let loads = 0;
            let load;
            const loadOrders = () => (loads++, loads === 1 ? new Promise(r => load = r) : Promise.resolve());
            const showOrders = () => {};
            const showPaid = id => paid.push(id);
            %s</script>""" % script)
    with Browser(place) as browser:
        tab = browser.open("http://%s:%d/page.html" % (HOST, site.port))
        tab.wait("loads === 1")
        site.publish("orders", {"id": 1}, "order-paid")
        tab.js("load()")  # the state is there only now
        tab.wait("paid.length === 1")
        # One more, since the arena is younger than the place: something may have been lost.
        # It is the only one: the page asks for that time no more.
        tab.wait("loads === 2")
        loads = 2

        # An error of the web server, from which a browser does not return.
        equal(site.peal.stop(), [], "left behind")
        tab.wait("events.readyState === 2")
        site.peal = place.start_peal("--max-events", "3")
        place.pealctl("publish", "orders", "order-paid", '{"id":2}')
        tab.wait("paid.length === 2", LIMIT * 2)
        equal(tab.js("[paid, loads]"), [[1, 2], loads], "events, and how often the state was loaded")

        # Away for too long.
        site.server.kill()
        tab.wait("events.readyState === 0")
        for n in range(3, 8):
            place.pealctl("publish", "orders", "order-paid", '{"id":%d}' % n)
        site.restart()
        tab.wait("paid.length === 5", LIMIT * 2)
        equal(tab.js("[paid, loads]"), [[1, 2, 5, 6, 7], loads + 1],
              "events, and how often the state was loaded")


@case
def with_an_authorization_header(place):
    """In Node.js, where window and document are stand-ins that the package asks little of."""
    place.add_user("kim", "secret")
    site = place.behind_lighttpd()
    script, = recipes("With an Authorization header", "js")
    _, env = command("browser.js")  # skips where there is nothing
    os.symlink(MODULES, place.path("node_modules"))
    for password in ("secret", "wrong"):
        with open(place.path("recipe.mjs"), "w") as file:
            file.write("""
                globalThis.window = globalThis;
                globalThis.document = { hidden: false, addEventListener() {}, removeEventListener() {} };
                const name = 'kim', password = '%s';
                const say = text => process.stdout.write(text + '\\n');
                const showPaid = id => say('paid ' + id);
                const loadOrders = async () => {}, showOrders = () => {};
                process.on('unhandledRejection', error => { say(error.message); process.exit(0); });
                %s""" % (password, script.replace("'/mine'", "'http://%s:%d/mine'" % (HOST, site.port))))
        process = subprocess.Popen([shutil.which("node"), place.path("recipe.mjs")], env=env,
                                   stdout=subprocess.PIPE, universal_newlines=True)
        try:
            if password == "secret":
                wait_for(lambda: site.status()["workers"][0]["streams"] == 1, "it to listen")
                site.publish("user-kim", {"id": 17}, "order-paid")
                equal(process.stdout.readline(), "paid 17\n", "what it says")
            else:
                equal(process.stdout.readline(), "not allowed\n", "what it says")
        finally:
            process.kill()
            process.wait()


if __name__ == "__main__":
    run(300, quick=2)
