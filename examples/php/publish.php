<?php
/*
 * What the demo page posts its form to: it broadcasts what the form says.
 *
 * It lets anybody publish anything.  In your application, put your own check of who is
 * asking, and against forged requests, where the comment says.
 *
 * Where peal is: PEAL_PUBLISH_URL and PEAL_PUBLISH_KEY, see Peal::fromEnvironment().
 */

require __DIR__ . '/Peal.php';

/* Answer with JSON and stop. */
function answer($status, array $answer)
{
    http_response_code($status);
    header('Content-Type: application/json');
    header('Cache-Control: no-store');
    echo json_encode($answer), "\n";
    exit;
}

/* A field of the form, or ''.  An array where text is expected counts as missing. */
function field($name)
{
    return isset($_POST[$name]) && is_string($_POST[$name]) ? $_POST[$name] : '';
}

/* Your own check belongs here: who is asking, and may they broadcast this? */

if ($_SERVER['REQUEST_METHOD'] !== 'POST') {
    header('Allow: POST');
    answer(405, array('error' => 'Send the form with POST.'));
}
if (field('channel') === '') {
    answer(400, array('error' => 'The field "channel" is missing.'));
}
if (!isset($_POST['data']) || !is_string($_POST['data'])) {
    answer(400, array('error' => 'The field "data" is missing.'));
}
try {
    answer(200, Peal::fromEnvironment()->publishText(field('channel'), field('topic'), $_POST['data']));
} catch (PealException $e) {
    /* What the sender got wrong is passed on; all else is this side's trouble. */
    $status = in_array($e->getStatus(), array(400, 413), true) ? $e->getStatus() : 502;
    error_log('publish.php: ' . $e->getMessage());
    answer($status, array('error' => $e->getMessage()));
}
