// Light or dark: what was chosen here before; at the first visit, what the system prefers.

const COOKIE = "dynascope-theme";

export function render({ model }) {
  const keep = () => { document.cookie = `${COOKIE}=${model.dark ? "dark" : "light"}; path=/; max-age=31536000; SameSite=Lax`; };
  model.on("dark", keep);
  if (!document.cookie.includes(`${COOKIE}=`) && matchMedia("(prefers-color-scheme: dark)").matches) {
    model.dark = true;
    keep();
  }
}
