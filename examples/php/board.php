<?php
/*
 * A notice board as sites have had for twenty years: a form, a file, a list.  Three
 * things make it live, and are all there is to do in an application of your own:
 *
 *   1. After it has saved a notice, it broadcasts it (save_notice).
 *   2. The page listens, and adds what it hears to its list (the script at the end).
 *   3. The page asks for events from the moment before PHP read the file ($since), and
 *      knows notices by their number: so none is missed and none shown twice.
 *
 * Settings, if you need any, are in config.php beside this file:
 *
 *     <?php return array('file' => '/var/lib/board/notices', 'events' => '/events');
 *
 * PHP 5.6 to 8, no extension.  Everybody may post: an application would ask who it is.
 */

require __DIR__ . '/Peal.php';

$config = (is_file(__DIR__ . '/config.php') ? require __DIR__ . '/config.php' : array())
    + array('file' => sys_get_temp_dir() . '/peal-board', 'events' => '/events');

/* The notices, oldest first; one line of JSON each in the file. */
function read_notices($file)
{
    $lines = is_file($file) ? file($file, FILE_IGNORE_NEW_LINES) : array();
    return array_map(function ($line) {
        return json_decode($line, true);
    }, $lines);
}

/* Save first, then broadcast: what was broadcast can be found in the file. */
function save_notice($path, $name, $text)
{
    $file = fopen($path, 'c+');
    if (!$file || !flock($file, LOCK_EX)) {
        throw new RuntimeException("cannot write $path");
    }
    $notice = array('number' => count(file($path)) + 1, 'time' => time(), 'name' => $name,
        'text' => $text);
    fseek($file, 0, SEEK_END);
    fwrite($file, json_encode($notice) . "\n");
    fflush($file);

    /* While the lock is held, so that notices are broadcast in the order of their numbers. */
    try {
        Peal::fromEnvironment(array('timeout' => 2))->publish('board', 'notice', $notice);
    } catch (PealException $e) {
        /* The notice is saved: open pages show it when they are loaded again. */
        error_log('board.php: ' . $e->getMessage());
    }
    fclose($file);
}

function text_field($name, $limit)
{
    $text = isset($_POST[$name]) && is_string($_POST[$name]) ? trim($_POST[$name]) : '';
    return preg_match('/^.{1,' . $limit . '}$/su', $text) ? $text : '';
}

function h($text)
{
    return htmlspecialchars($text, ENT_QUOTES, 'UTF-8');
}

$error = '';
if ($_SERVER['REQUEST_METHOD'] === 'POST') {
    $origin = isset($_SERVER['HTTP_ORIGIN']) ? $_SERVER['HTTP_ORIGIN'] : '';
    $name = text_field('name', 40);
    $text = text_field('text', 1000);
    if ($origin !== '' && preg_replace('{^https?://}', '', $origin) !== $_SERVER['HTTP_HOST']) {
        http_response_code(403);
        $error = 'This form was sent by another site.';
    } elseif ($name === '' || $text === '') {
        http_response_code(400);
        $error = 'Please fill in both fields.';
    } else {
        save_notice($config['file'], $name, $text);
        header('Location: ' . basename(__FILE__), true, 303);
        exit;
    }
}

/* Before the file is read.  Milliseconds; a float, since an int has 32 bits on some machines. */
$since = sprintf('%.0f', floor(microtime(true) * 1000) - 1);
$notices = read_notices($config['file']);
header('Content-Type: text/html; charset=utf-8');
header('Cache-Control: no-store');
?>
<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Notice board</title>
<link rel="icon" href="data:,">
<style>
body { max-width: 40rem; margin: 2rem auto; padding: 0 1rem; font: 1rem/1.5 Georgia, serif; color: #222; background: #fbf8f0; }
h1 { font-weight: normal; border-bottom: 3px double #b9ae90; }
input, textarea, button { font: inherit; padding: .4rem .6rem; border: 1px solid #b9ae90; background: #fff; }
input, textarea { display: block; width: 100%; box-sizing: border-box; margin-bottom: .6rem; }
ol { list-style: none; padding: 0; }
li { background: #fff; border: 1px solid #e2dac3; padding: .6rem .9rem; margin: .8rem 0; }
li b { display: block; font-size: .9rem; color: #775; }
li p { margin: .2rem 0 0; white-space: pre-wrap; overflow-wrap: break-word; }
li.new { border-left: 4px solid #b5472f; }
#state { float: right; font-size: .9rem; color: #775; }
.error { color: #a11; }
</style>
<h1>Notice board</h1>
<p id="state" role="status">connecting</p>
<?php if ($error !== '') { ?>
<p class="error"><?php echo h($error); ?></p>
<?php } ?>
<form method="post">
<input name="name" placeholder="Your name" aria-label="Your name" maxlength="40" required>
<textarea name="text" placeholder="Your notice" aria-label="Your notice" maxlength="1000" rows="3" required></textarea>
<button>Pin it up</button>
</form>
<ol id="notices">
<?php foreach (array_reverse($notices) as $notice) { ?>
<li data-number="<?php echo (int) $notice['number']; ?>"><b><?php echo h($notice['name']); ?></b><p><?php echo h($notice['text']); ?></p></li>
<?php } ?>
</ol>
<script src="peal.js"></script>
<script>
var list = document.getElementById('notices');
var state = document.getElementById('state');

var peal = new Peal(<?php echo json_encode($config['events'], JSON_HEX_TAG); ?>, {
    channels: ['board'],
    lastEventTime: <?php echo $since; ?>,
    onstate: function (name) { state.textContent = name === 'open' ? 'live' : 'reconnecting'; },
    /* Some notices are no longer kept as events: fetch the list. */
    ongap: fetchList
});
peal.on('notice', function (event) { add(JSON.parse(event.data)); });

/* The events that follow wait for it. */
function fetchList() {
    return fetch(location.pathname, { cache: 'no-store' }).then(function (answer) {
        return answer.text();
    }).then(function (text) {
        var fresh = new DOMParser().parseFromString(text, 'text/html').getElementById('notices');
        while (fresh && fresh.firstElementChild) put(fresh.firstElementChild);
    });
}

function add(notice) {
    var item = document.createElement('li');
    item.className = 'new';
    item.setAttribute('data-number', notice.number);
    item.appendChild(document.createElement('b')).textContent = notice.name;
    item.appendChild(document.createElement('p')).textContent = notice.text;
    put(item);
}

function number(item) {
    return Number(item.getAttribute('data-number'));
}

/* Newest first, each once. */
function put(item) {
    var next = list.firstElementChild;
    while (next && number(next) > number(item)) next = next.nextElementSibling;
    if (next && number(next) === number(item)) {
        if (item.parentNode) item.parentNode.removeChild(item);
        return;
    }
    list.insertBefore(item, next);
}
</script>
