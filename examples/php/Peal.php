<?php
/*
 * Broadcast from PHP, 5.6 to 8: one file to copy, no Composer and no extension needed.
 *
 *     require 'Peal.php';
 *     $peal = new Peal('http://127.0.0.1/publish');
 *     $peal->publish('orders', 'order-paid', array('id' => 17));
 *
 * The browser then gets an event of the type "order-paid" whose data is {"id":17}.
 * It has Composer's composer.json beside it, for those who want that.
 *
 * Over plain sockets when the curl extension is missing, so allow_url_fopen may be off.
 * No proxy is used, no redirect followed, no request sent twice.
 */

/*
 * Nothing was broadcast, as far as we know.
 *
 * getStatus() is the HTTP status, or 0 when there was no answer; it is the code as well.
 * getDetail() is peal's own sentence, or '' when peal did not speak.  After a time-out
 * (status 0) the event may have been broadcast all the same.
 */
class PealException extends RuntimeException
{
    private $detail;

    public function __construct($message, $status = 0, $detail = '')
    {
        parent::__construct($message, $status);
        $this->detail = $detail;
    }

    public function getStatus()
    {
        return $this->getCode();
    }

    public function getDetail()
    {
        return $this->detail;
    }
}

class Peal
{
    private $url;
    private $key = '';
    private $timeout = 5.0;
    private $connectTimeout = 1.0;
    private $transport;

    /*
     * $url is the address where peal takes events.  Options, none of them needed:
     *
     *   key             the publishing key, where peal has a --publish-key-file
     *   timeout         seconds for the whole exchange, 5
     *   connectTimeout  seconds of them for the connection, 1
     *   transport       'curl' or 'sockets'; otherwise curl where it is loaded
     *
     * A broadcast happens while your visitor waits: keep the limits short.
     */
    public function __construct($url, array $options = array())
    {
        $parts = parse_url($url);
        if (!isset($parts['scheme'], $parts['host'])
            || !in_array($parts['scheme'], array('http', 'https'), true)
            || preg_match('{[\x00-\x20\x7f]}', $url)) {
            throw new InvalidArgumentException("not an http or https address: $url");
        }
        $this->url = $url;
        $this->transport = function_exists('curl_init') ? 'curl' : 'sockets';
        foreach ($options as $name => $value) {
            if (!in_array($name, array('key', 'timeout', 'connectTimeout', 'transport'), true)) {
                throw new InvalidArgumentException("there is no option $name");
            }
            $this->$name = $value;
        }
        if (!in_array($this->transport, array('curl', 'sockets'), true)) {
            throw new InvalidArgumentException('the transport is curl or sockets');
        }
        if (preg_match('{[^\x21-\x7e]}', $this->key)) {
            throw new InvalidArgumentException('a key is visible ASCII characters');
        }
    }

    /*
     * From the settings PEAL_PUBLISH_URL and PEAL_PUBLISH_KEY, which the web server's
     * configuration or the environment has.
     */
    public static function fromEnvironment(array $options = array())
    {
        $key = self::setting('PEAL_PUBLISH_KEY', '');
        return new self(self::setting('PEAL_PUBLISH_URL', 'http://127.0.0.1/publish'),
            $options + array('key' => $key));
    }

    /*
     * Broadcast one event.
     *
     * $channel is a name, or an array of names.  $topic is the event's type in the
     * browser, '' for none.  peal refuses "error", "open" and what begins with "peal:", which
     * have a meaning there already.  $data is anything json_encode() takes, and arrives as
     * JSON: a string with its quotes, so that the browser can always JSON.parse(event.data).
     *
     * $id, if you give one, is the event's own: the browser gets it as lastEventId, and
     * while the event is kept, publishing that id again stores nothing and says
     * 'duplicate' => true.  So what failed without an answer can be tried again safely.
     * Up to 255 bytes; a number that could be a time in milliseconds is refused.
     *
     * Returns array('id' => ..., 'subscribers' => ...), or for an array of channels
     * array('events' => ...) with one such array and its 'channel' each.  Throws
     * PealException.
     */
    public function publish($channel, $topic, $data, $id = '')
    {
        return $this->send('application/json', self::json(self::event($channel, $topic, $data, $id)));
    }

    /* As publish(), with text that arrives as it is. */
    public function publishText($channel, $topic, $text, $id = '')
    {
        $fields = array('topic' => (string) $topic, 'data' => (string) $text);
        if ((string) $id !== '') {
            $fields['id'] = (string) $id;
        }
        $body = http_build_query($fields, '', '&');
        foreach ((array) $channel as $name) {
            $body .= '&channel=' . rawurlencode($name);
        }
        return $this->send('application/x-www-form-urlencoded', $body);
    }

    /*
     * Broadcast several events, all of them or none: a list of arrays with 'channel',
     * 'data' and, if you like, 'topic' and 'id', each as publish() takes it.
     *
     * Returns array('events' => ...), in the same order.  The detail of a PealException
     * names the wrong one, counted from 0.
     */
    public function publishMany(array $events)
    {
        $batch = array();
        foreach ($events as $event) {
            if (!is_array($event) || !isset($event['channel']) || !array_key_exists('data', $event)) {
                throw new InvalidArgumentException('each event is an array with channel and data');
            }
            $topic = isset($event['topic']) ? $event['topic'] : '';
            $id = isset($event['id']) ? $event['id'] : '';
            $batch[] = self::event($event['channel'], $topic, $event['data'], $id);
        }
        return $batch ? $this->send('application/json', self::json($batch)) : array('events' => array());
    }

    private static function event($channel, $topic, $data, $id)
    {
        $event = array('channel' => is_array($channel) ? array_values($channel) : $channel);
        if ((string) $topic !== '') {
            $event['topic'] = $topic;
        }
        $event['data'] = $data;
        if ((string) $id !== '') {
            $event['id'] = (string) $id;
        }
        return $event;
    }

    private static function json($value)
    {
        $text = json_encode($value, JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE);
        if ($text === false) {
            throw new InvalidArgumentException('cannot be written as JSON: ' . json_last_error_msg());
        }
        return $text;
    }

    private static function setting($name, $default)
    {
        $value = isset($_SERVER[$name]) ? $_SERVER[$name] : getenv($name);
        return is_string($value) && $value !== '' ? $value : $default;
    }

    /* ---- The exchange ---- */

    private function send($type, $body)
    {
        $headers = array('Content-Type: ' . $type, 'Accept: application/json');
        if ($this->key !== '') {
            $headers[] = 'Authorization: Bearer ' . $this->key;
        }
        list($status, $text) = $this->transport === 'curl'
            ? $this->sendByCurl($headers, $body) : $this->sendBySockets($headers, $body);

        $answer = json_decode($text, true);
        if ($status !== 200) {
            $detail = isset($answer['detail']) && is_string($answer['detail']) ? $answer['detail'] : '';
            $why = $detail !== '' ? $detail : "$this->url answered $status";
            throw new PealException($why, $status, $detail);
        }
        if (!is_array($answer) || !(isset($answer['id']) || isset($answer['events']))) {
            throw new PealException("$this->url is not where peal takes events", $status);
        }
        return $answer;
    }

    private function sendByCurl(array $headers, $body)
    {
        $curl = curl_init($this->url);
        curl_setopt_array($curl, array(
            CURLOPT_POST => true,
            CURLOPT_POSTFIELDS => $body,
            CURLOPT_HTTPHEADER => array_merge($headers, array('Expect:')),
            CURLOPT_RETURNTRANSFER => true,
            CURLOPT_PROXY => '',
            CURLOPT_NOSIGNAL => true, /* or limits below a second are none */
            CURLOPT_CONNECTTIMEOUT_MS => (int) ceil($this->connectTimeout * 1000),
            CURLOPT_TIMEOUT_MS => (int) ceil($this->timeout * 1000),
        ));
        $text = curl_exec($curl);
        if ($text === false) {
            throw new PealException("$this->url: " . curl_error($curl));
        }
        return array((int) curl_getinfo($curl, CURLINFO_HTTP_CODE), $text);
    }

    /* HTTP/1.0: the answer then ends where the connection does, and is never chunked. */
    private function sendBySockets(array $headers, $body)
    {
        $parts = parse_url($this->url) + array('path' => '/');
        $secure = $parts['scheme'] === 'https';
        $port = isset($parts['port']) ? $parts['port'] : ($secure ? 443 : 80);
        $deadline = microtime(true) + $this->timeout;
        $socket = @stream_socket_client(
            ($secure ? 'ssl://' : 'tcp://') . $parts['host'] . ':' . $port,
            $number, $error, min($this->connectTimeout, $this->timeout));
        if ($socket === false) {
            $last = error_get_last();
            throw new PealException("$this->url: "
                . ($error !== '' || !$last ? $error : $last['message']));
        }
        $head = array_merge(array(
            'POST ' . $parts['path'] . (isset($parts['query']) ? '?' . $parts['query'] : '') . ' HTTP/1.0',
            'Host: ' . $parts['host'] . (isset($parts['port']) ? ':' . $port : ''),
            'Content-Length: ' . strlen($body),
            'Connection: close',
        ), $headers);
        try {
            $this->write($socket, implode("\r\n", $head) . "\r\n\r\n" . $body, $deadline);
            $answer = $this->readAll($socket, $deadline);
        } finally {
            fclose($socket);
        }
        if (!preg_match('{^HTTP/\d\.\d (\d{3})\b.*?\r\n\r\n(.*)}s', $answer, $match)) {
            throw new PealException("$this->url: no answer that is HTTP");
        }
        return array((int) $match[1], $match[2]);
    }

    private function write($socket, $text, $deadline)
    {
        while ($text !== '') {
            $this->limit($socket, $deadline);
            $n = @fwrite($socket, $text);
            if (!$n) {
                return; /* it may have answered before it stopped reading */
            }
            $text = (string) substr($text, $n);
        }
    }

    private function readAll($socket, $deadline)
    {
        $answer = '';
        do {
            $this->limit($socket, $deadline);
            $answer .= $piece = (string) fread($socket, 65536);
            $meta = stream_get_meta_data($socket);
            if ($meta['timed_out']) {
                throw new PealException("$this->url: no answer in $this->timeout s");
            }
        } while ($piece !== '' || !feof($socket));
        return $answer;
    }

    /* Let the next operation take no longer than what is left. */
    private function limit($socket, $deadline)
    {
        $left = $deadline - microtime(true);
        if ($left <= 0) {
            throw new PealException("$this->url: no answer in $this->timeout s");
        }
        stream_set_timeout($socket, (int) $left, (int) (fmod($left, 1) * 1e6));
    }
}
