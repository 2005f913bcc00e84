// Ranks what a search finds: guides first, then the reference, then what is about the project itself.
// See html_search_scorer in https://www.sphinx-doc.org/en/master/usage/configuration.html
const PROJECT = new Set(["architecture", "changelog", "contributing", "performance", "genindex"]);

var Scorer = {
  score: ([page, title, anchor, description, score]) =>
    score + (page.startsWith("guides/") ? 10 : PROJECT.has(page) ? -10 : 0),
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
