/** What verify.html is before its parts are put in. Everything that a reader sees is drawn by the script, in his language. */
export const VERIFY_TEMPLATE = `<!doctype html>
<html lang="en">
<!-- Holds parts of noble-curves and noble-hashes - MIT License (c) 2022 Paul Miller (paulmillr.com) -->
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{{csp}}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="color-scheme" content="light dark">
<title>Spur · verify</title>
<link rel="icon" href="{{icon}}">
<style>{{style}}</style>
</head>
<body>
<a class="skip" href="#verdict" id="skip"></a>
<header id="head"></header>
<main id="main">
<section id="intro"></section>
<p id="status" class="status" role="status" aria-live="polite"></p>
<section id="verdict" aria-live="polite" tabindex="-1"></section>
<section id="trust"></section>
<div id="report"></div>
</main>
<footer id="foot"></footer>
<noscript><p>This page checks evidence with a script that it carries itself. Without scripts: npx spur verify FILE --trust KEY</p></noscript>
{{evidence}}
<script>{{script}}</script>
</body>
</html>
`;
