# voucherbus runs from its sources: nothing is built but node_modules.
ARG NODE_IMAGE=node:24-slim

FROM ${NODE_IMAGE} AS packages
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --no-audit --no-fund

FROM ${NODE_IMAGE}
ENV NODE_ENV=production \
    # Far less than V8's own choice, and no slower (make bench). Workers are given it by their supervisor.
    NODE_OPTIONS=--max-semi-space-size=4 \
    NODE_COMPILE_CACHE=/var/cache/voucherbus
WORKDIR /app
COPY --from=packages /app/node_modules node_modules
COPY package.json ./
COPY schemas schemas
COPY src src
# Where a volume for SPOOL_DIR is mounted (it takes the owner from here), and what has been compiled.
RUN mkdir /var/spool/voucherbus /var/cache/voucherbus \
 && chown 1000:1000 /var/spool/voucherbus /var/cache/voucherbus
# By number, so that Kubernetes' runAsNonRoot can see that it is not root.
USER 1000:1000
# What is compiled now is not compiled at each start: TypeScript's compiler is not even loaded.
RUN node src/main.ts help > /dev/null
EXPOSE 8080 9464
# Node itself is process 1, so that SIGTERM reaches it.
ENTRYPOINT ["node", "src/main.ts"]
CMD ["help"]
