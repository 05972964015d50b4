// The theme's search box is a dialog without a name, which screen readers need.
document.querySelector(".md-search").setAttribute("aria-label", "Search");
