<?php
// Waits for a backend, 40 ms in the mean (lognormal, cv .3), and answers a little.
$sigma = sqrt(log(1 + 0.3 ** 2));
$normal = sqrt(-2 * log(1 - lcg_value())) * cos(2 * M_PI * lcg_value());
usleep((int) (40000 * exp($sigma * $normal - $sigma ** 2 / 2)));
$messages = [];
for ($i = 0; $i < 20; $i++) {
    $messages[] = ['id' => $i, 'text' => str_repeat('the quick brown fox ', 1 + $i % 3)];
}
header('Content-Type: application/json');
echo json_encode(['messages' => $messages]);
