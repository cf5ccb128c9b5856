<?php
/*
 * Broadcast from PHP, 5.6 to 8: no Composer, no extension needed.
 *
 * Copy peal_publish() into your application; the handler at the end is what the
 * demo page posts its form to.  It lets anybody publish anything: put your own
 * check of who is asking, and against forged requests, where the comment says.
 *
 * Where peal is: the server variable PEAL_PUBLISH_URL (see the configurations beside
 * this file), else http://127.0.0.1/publish.  If peal wants a key
 * (--publish-key-file), put it into PEAL_PUBLISH_KEY.
 */

/*
 * Broadcast one event.
 *
 * $channel is a name, or an array of names.  $topic is the event's type in the
 * browser; '' for none.  $data is a string, or anything json_encode() takes: an
 * array, a number, true.  A string arrives in the browser as it is; anything else as JSON.
 *
 * Returns peal's answer as an array: "id" and "subscribers", or for several
 * channels "events".  Throws RuntimeException when nothing was broadcast; its
 * code is the HTTP status, or 0 when peal could not be reached.
 */
function peal_publish($channel, $topic, $data)
{
    $url = peal_setting('PEAL_PUBLISH_URL', 'http://127.0.0.1/publish');
    $headers = array('Accept: application/json');
    $key = peal_setting('PEAL_PUBLISH_KEY', '');
    if ($key !== '') {
        $headers[] = 'Authorization: Bearer ' . $key;
    }

    if (is_string($data)) {
        $headers[] = 'Content-Type: application/x-www-form-urlencoded';
        $body = http_build_query(array('topic' => $topic, 'data' => $data), '', '&');
        foreach ((array) $channel as $name) {
            $body .= '&channel=' . rawurlencode($name);
        }
    } else {
        $headers[] = 'Content-Type: application/json';
        $names = is_array($channel) ? array_values($channel) : $channel;
        $event = array('channel' => $names, 'data' => $data);
        if ($topic !== '') {
            $event['topic'] = $topic;
        }
        $body = json_encode($event);
        if ($body === false) {
            throw new RuntimeException('cannot be written as JSON: ' . json_last_error_msg());
        }
    }

    list($status, $text) = peal_post($url, $headers, $body);
    $answer = json_decode($text, true);
    if ($status !== 200) {
        $why = is_array($answer) && isset($answer['detail'])
            ? $answer['detail'] : "the server answered $status";
        throw new RuntimeException($why, $status);
    }
    if (!is_array($answer)) {
        throw new RuntimeException("this is not peal's answer; is $url its address?");
    }
    return $answer;
}

/* A setting from the web server's configuration or the environment. */
function peal_setting($name, $default)
{
    if (isset($_SERVER[$name]) && $_SERVER[$name] !== '') {
        return $_SERVER[$name];
    }
    $value = getenv($name);
    return $value === false || $value === '' ? $default : $value;
}

/*
 * POST, with the curl extension where it is loaded, else with PHP's own streams.
 * Returns array(status, body); throws RuntimeException when there is no answer.
 */
function peal_post($url, array $headers, $body)
{
    if (function_exists('curl_init')) {
        $curl = curl_init($url);
        curl_setopt_array($curl, array(
            CURLOPT_POST => true,
            CURLOPT_POSTFIELDS => $body,
            CURLOPT_HTTPHEADER => array_merge($headers, array('Expect:')),
            CURLOPT_RETURNTRANSFER => true,
            CURLOPT_CONNECTTIMEOUT => 2,
            CURLOPT_TIMEOUT => 10,
        ));
        $text = curl_exec($curl);
        if ($text === false) {
            throw new RuntimeException("$url: " . curl_error($curl));
        }
        return array((int) curl_getinfo($curl, CURLINFO_HTTP_CODE), $text);
    }

    $context = stream_context_create(array('http' => array(
        'method' => 'POST',
        'protocol_version' => 1.1,
        'header' => array_merge($headers, array('Connection: close')),
        'content' => $body,
        'timeout' => 10,
        'ignore_errors' => true, /* give us the body of an error, too */
        'follow_location' => 0,
    )));
    $stream = @fopen($url, 'rb', false, $context);
    if ($stream === false) {
        $error = error_get_last();
        throw new RuntimeException($error ? $error['message'] : "$url: no answer");
    }
    $meta = stream_get_meta_data($stream);
    $text = (string) stream_get_contents($stream);
    fclose($stream);
    $status = 0;
    foreach ($meta['wrapper_data'] as $line) {
        if (preg_match('{^HTTP/\S+ (\d{3})}', $line, $match)) {
            $status = (int) $match[1];
        }
    }
    return array($status, $text);
}

/* Answer with JSON and stop. */
function peal_answer($status, array $answer)
{
    http_response_code($status);
    header('Content-Type: application/json');
    header('Cache-Control: no-store');
    echo json_encode($answer), "\n";
    exit;
}

/* A field of the form, or ''.  An array where text is expected counts as missing. */
function peal_field($name)
{
    return isset($_POST[$name]) && is_string($_POST[$name]) ? $_POST[$name] : '';
}

/* Included by your application: the functions are all it wants. */
if (!isset($_SERVER['SCRIPT_FILENAME']) || realpath($_SERVER['SCRIPT_FILENAME']) !== __FILE__) {
    return;
}

/* Your own check belongs here: who is asking, and may they broadcast this? */

if ($_SERVER['REQUEST_METHOD'] !== 'POST') {
    header('Allow: POST');
    peal_answer(405, array('error' => 'Send the form with POST.'));
}
if (peal_field('channel') === '') {
    peal_answer(400, array('error' => 'The field "channel" is missing.'));
}
if (!isset($_POST['data']) || !is_string($_POST['data'])) {
    peal_answer(400, array('error' => 'The field "data" is missing.'));
}
try {
    peal_answer(200, peal_publish(peal_field('channel'), peal_field('topic'), $_POST['data']));
} catch (RuntimeException $e) {
    /* What the sender got wrong is passed on; all else is this side's trouble. */
    $status = $e->getCode() === 400 || $e->getCode() === 413 ? $e->getCode() : 502;
    error_log('publish.php: ' . $e->getMessage());
    peal_answer($status, array('error' => $e->getMessage()));
}
