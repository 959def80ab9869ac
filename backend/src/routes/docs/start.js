// Called by index.html, after Swagger UI has been loaded.
SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#page",
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  docExpansion: "list",
  // Keep the token in the page only, never in the browser's storage.
  persistAuthorization: false,
  // Don't load a badge from another site.
  validatorUrl: null,
});
