// Shows who is logged in, and a way out, on MLflow's pages: their own account menu can only log out of Basic auth.
(async () => {
  const opened = location.hash; // as it was, before MLflow's own page says which it shows
  const session = () => fetch("/oidc/session", { cache: "no-store" });

  // A page that was left open longer than its session begins a new one when its user is back.
  document.addEventListener("visibilitychange", async () => {
    if (document.visibilityState === "visible" && (await session()).status === 401) location.reload();
  });

  const answer = await session();
  if (!answer.ok) return;
  const { username, workspaces, administrates } = await answer.json();

  // A link that names no workspace means the first, as a request does; the page of all is of use to who has several.
  const [path, query] = opened.split("?");
  const isHome = ["", "#", "#/"].includes(path);
  const asked = new URLSearchParams(query);
  if (!asked.has("workspace") && (isHome ? workspaces.length === 1 : workspaces.length > 0)) {
    asked.set("workspace", workspaces[0]);
    location.replace(`${isHome ? "#/" : path}?${asked}`);
  }

  // In a shadow root neither MLflow's styles nor ours reach the other.
  const badge = document.createElement("div");
  const root = badge.attachShadow({ mode: "open" });
  const style = document.createElement("style");
  style.textContent =
    "form{position:fixed;right:12px;bottom:12px;z-index:2147483000;display:flex;gap:8px;align-items:center;" +
    "font:12px system-ui,sans-serif;color:#444;background:#fffd;border:1px solid #ccc;border-radius:14px;" +
    "padding:3px 4px 3px 12px}span{max-width:16em;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}" +
    "button{font:inherit;color:inherit;background:#eee;border:0;border-radius:11px;padding:3px 10px;cursor:pointer}";
  const form = document.createElement("form");
  form.method = "post";
  form.action = "/oidc/logout";
  const name = document.createElement("span");
  name.textContent = username; // as text: a name may hold anything that can be shown
  name.title = username;
  const button = document.createElement("button");
  button.textContent = "Log out";
  form.append(name, button);
  if (administrates) {
    const trail = document.createElement("a");
    trail.href = "/platform/audit";
    trail.textContent = "Audit trail";
    form.insertBefore(trail, button);
  }
  root.append(style, form);
  document.body.append(badge);
})();
