/** What index.html is before its parts are put in. */
export const INDEX_TEMPLATE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{{csp}}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="color-scheme" content="light dark">
<title>Spur</title>
<link rel="icon" href="{{icon}}">
<style>{{style}}</style>
</head>
<body>
<header id="head"></header>
<main id="main"></main>
<footer id="foot"></footer>
<noscript><p>This page draws the log with a script that it carries itself. Without scripts: /log/checkpoint, /spur/v1/head, /spur/v1/records</p></noscript>
<script>{{script}}</script>
</body>
</html>
`;
