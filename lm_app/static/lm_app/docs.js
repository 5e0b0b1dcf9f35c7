// The API documentation: Swagger UI on the page of docs.html.

const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

// By itself, it shows an SVG as text.
const pictures = () => ({
  wrapComponents: {
    responseBody: (Original, { React }) => (props) =>
      props.contentType?.startsWith("image/svg+xml")
        ? React.createElement("img", {
            src: `data:image/svg+xml,${encodeURIComponent(props.content)}`,
            alt: "The plot that was answered",
          })
        : React.createElement(Original, props),
  },
});

const page = document.getElementById("swagger-ui");
const ui = SwaggerUIBundle({
  url: page.dataset.url,
  domNode: page,
  deepLinking: true,
  plugins: [pictures],
  syntaxHighlight: { theme: "tomorrow-night" }, // has enough contrast
  docExpansion: "none",
  defaultModelsExpandDepth: 0, // the schemas' names are enough
  onComplete: () => {
    for (const tag of ["predict", "default model"]) ui.layoutActions.show(["operations-tag", tag], true);
  },
});
