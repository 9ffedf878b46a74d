"use strict";
// Before the page is drawn: the theme that the reader chose on an earlier page. Storage may be closed to pages from disk.
try {
  const chosen = localStorage.getItem("harness-theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch (error) {
  // The system's theme stays.
}
