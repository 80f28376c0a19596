// The API, to read and to try, by Swagger UI.

if (window.SwaggerUIBundle) {
    window.SwaggerUIBundle({
        url: "/openapi.json",
        dom_id: "#swagger",
        deepLinking: true,
        docExpansion: "list",
        defaultModelsExpandDepth: 0,
        tryItOutEnabled: true,
        validatorUrl: null,
    });
}

// Swagger UI goes by a class; the other pages by what the browser prefers.
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();
