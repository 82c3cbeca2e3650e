(() => {
  const bar = document.querySelector(".filter");
  if (!bar) return;
  const [text, group, count] = ["input", "select", "output"].map((name) => bar.querySelector(name));
  const pairs = [...document.querySelectorAll(".pair")];
  const show = () => {
    const wanted = text.value.trim().toLowerCase();
    let shown = 0;
    for (const pair of pairs) {
      const figures = [...pair.querySelectorAll("figure[data-group]")];
      for (const figure of figures) figure.hidden = group.value !== "" && figure.dataset.group !== group.value;
      const left = figures.filter((figure) => !figure.hidden).length;
      pair.hidden = !left || !pair.textContent.toLowerCase().includes(wanted);
      shown += pair.hidden ? 0 : 1;
    }
    count.value = `${shown} of ${pairs.length} pairs shown`;
  };
  const reset = () => {
    text.value = group.value = "";
    show();
    document.querySelector(":target")?.scrollIntoView();
  };
  text.addEventListener("input", show);
  group.addEventListener("change", show);
  addEventListener("hashchange", () => document.querySelector(":target[hidden]") && reset());
  bar.hidden = false;
  show();
})();
