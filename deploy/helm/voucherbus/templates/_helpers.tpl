{{- define "voucherbus.fullname" -}}
{{- if .Values.fullnameOverride }}{{ .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else if contains (default .Chart.Name .Values.nameOverride) .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name (default .Chart.Name .Values.nameOverride) | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "voucherbus.selector" -}}
app.kubernetes.io/name: {{ default .root.Chart.Name .root.Values.nameOverride }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end }}

{{- define "voucherbus.labels" -}}
{{ include "voucherbus.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: voucherbus
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- define "voucherbus.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ default $.Chart.AppVersion .tag }}{{ end }}
{{- end }}
{{- end }}

{{- define "voucherbus.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}{{ default (include "voucherbus.fullname" .) .Values.serviceAccount.name }}
{{- else }}{{ default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{/* Secret settings of some components: they get them, the others do not. */}}
{{- define "voucherbus.secretsOf" -}}
{{- $api := list "processor" "reconcile" -}}
{{- $bridge := list "bridge" -}}
{{- $own := dict "WEBHOOK_SECRETS" $bridge "VOUCHERIFY_APP_ID" $api "VOUCHERIFY_APP_TOKEN" $api "VOUCHERIFY_MANAGEMENT_ID" $bridge "VOUCHERIFY_MANAGEMENT_TOKEN" $bridge "CONSOLE_VIEWER_TOKEN" (list "console") "CONSOLE_OPERATOR_TOKEN" (list "console") -}}
{{- $secrets := dict -}}
{{- range $setting, $reference := merge (deepCopy (index .root.Values .component).secrets) .root.Values.secrets -}}
{{- if or (not (hasKey $own $setting)) (has $.component (get $own $setting)) -}}
{{- $_ := set $secrets $setting $reference -}}
{{- end -}}
{{- end -}}
{{ toYaml $secrets }}
{{- end }}

{{- define "voucherbus.configOf" -}}
{{- $defaults := dict "bridge" (dict "BRIDGE_WORKERS" "1" "SHUTDOWN_DELAY" "5s") "processor" (dict "PROCESSOR_WORKERS" "1") "setup" (dict) "reconcile" (dict) "console" (dict) -}}
{{- if eq .component "console" -}}
{{- $services := list "bridge" "processor" -}}
{{- if .root.Values.reconcile.enabled -}}{{- $services = append $services "reconcile" -}}{{- end -}}
{{- $members := list -}}
{{- range $services -}}{{- $members = append $members (printf "%s-%s-admin:9464" (include "voucherbus.fullname" $.root) .) -}}{{- end -}}
{{- $_ := set $defaults "console" (dict "CONSOLE_HOST" "0.0.0.0" "CONSOLE_MEMBERS" (join "," $members)) -}}
{{- end -}}
{{- if and .root.Values.reconcile.enabled (has .component (list "bridge" "setup" "reconcile" "console")) -}}
{{- $_ := set (get $defaults .component) "RECONCILE" "true" -}}
{{- end -}}
{{ toYaml (merge (deepCopy (index .root.Values .component).config) .root.Values.config (get $defaults .component)) }}
{{- end }}

{{- define "voucherbus.env" -}}
{{- $secrets := include "voucherbus.secretsOf" . | fromYaml -}}
{{- range $name, $value := include "voucherbus.configOf" . | fromYaml }}
{{- if not (hasKey $secrets $name) }}
- { name: {{ $name }}, value: {{ $value | toString | quote }} }
{{- end }}
{{- end }}
{{- range $name, $_ := $secrets }}
- { name: {{ $name }}_FILE, value: /run/secrets/voucherbus/{{ $name }} }
{{- end }}
{{- if has .component (list "bridge" "processor") }}
{{- range $name, $value := .root.Values.openTelemetry }}
- { name: {{ $name }}, value: {{ $value | toString | quote }} }
{{- end }}
{{- end }}
{{- if .root.Values.routes }}
- { name: ROUTES_FILE, value: /etc/voucherbus/routes.yaml }
{{- end }}
{{- end }}

{{- define "voucherbus.volumes" -}}
{{- $secrets := include "voucherbus.secretsOf" . | fromYaml -}}
{{- if $secrets }}
- name: secrets
  projected:
    defaultMode: 0440
    sources:
      {{- range $name, $reference := $secrets }}
      - secret:
          name: {{ $reference.name }}
          items: [{ key: {{ $reference.key | quote }}, path: {{ $name }} }]
      {{- end }}
{{- end }}
{{- if .root.Values.routes }}
- name: routes
  configMap:
    name: {{ include "voucherbus.fullname" .root }}-routes{{ if eq .component "setup" }}-setup{{ end }}
{{- end }}
{{- end }}

{{- define "voucherbus.mounts" -}}
{{- if include "voucherbus.secretsOf" . | fromYaml }}
- { name: secrets, mountPath: /run/secrets/voucherbus, readOnly: true }
{{- end }}
{{- if .root.Values.routes }}
- { name: routes, mountPath: /etc/voucherbus, readOnly: true }
{{- end }}
{{- end }}

{{- define "voucherbus.podSecurity" -}}
runAsNonRoot: true
runAsUser: 1000
runAsGroup: 1000
fsGroup: 1000
fsGroupChangePolicy: OnRootMismatch
seccompProfile: { type: RuntimeDefault }
{{- end }}

{{- define "voucherbus.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end }}

{{/* The pod of a service: root, component, ports, volumes that are its own. */}}
{{- define "voucherbus.pod" -}}
{{- $values := index .root.Values .component -}}
metadata:
  labels: {{- include "voucherbus.labels" . | nindent 4 }}
  annotations:
    {{- if .root.Values.routes }}
    # The processor reloads its routes; the bridge needs none. This is for people who compare.
    voucherbus/routes-sha256: {{ .root.Values.routes | sha256sum }}
    {{- end }}
    {{- with $values.podAnnotations }}{{ toYaml . | nindent 4 }}{{ end }}
spec:
  serviceAccountName: {{ include "voucherbus.serviceAccount" .root }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ $values.terminationGracePeriodSeconds }}
  securityContext: {{- include "voucherbus.podSecurity" . | nindent 4 }}
  {{- with .root.Values.image.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . }}
    {{- end }}
  {{- end }}
  {{- with $values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with $values.nodeSelector }}
  nodeSelector: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.tolerations }}
  tolerations: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.affinity }}
  affinity: {{- toYaml . | nindent 4 }}
  {{- end }}
  topologySpreadConstraints:
    {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
    - maxSkew: 1
      topologyKey: {{ . }}
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels: {{- include "voucherbus.selector" $ | nindent 10 }}
    {{- end }}
  containers:
    - name: {{ .component }}
      image: {{ include "voucherbus.image" .root }}
      imagePullPolicy: {{ .root.Values.image.pullPolicy }}
      args: {{ .arguments | default (list .component) | toJson }}
      securityContext: {{- include "voucherbus.containerSecurity" . | nindent 8 }}
      env: {{- include "voucherbus.env" . | nindent 8 }}
        {{- if .spool }}
        - { name: SPOOL_DIR, value: /var/spool/voucherbus }
        {{- end }}
      ports:
        - { name: admin, containerPort: {{ ternary 8081 9464 (eq .component "console") }} }
        {{- if eq .component "bridge" }}
        - { name: http, containerPort: 8080 }
        {{- end }}
      # /livez depends on nothing but the process: Kafka's outage must not restart it.
      startupProbe:
        httpGet: { path: /livez, port: admin }
        periodSeconds: 2
        failureThreshold: 30
      livenessProbe:
        httpGet: { path: /livez, port: admin }
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 3
      readinessProbe:
        httpGet: { path: /readyz, port: admin }
        periodSeconds: 5
        timeoutSeconds: 5
        failureThreshold: 2
      resources: {{- toYaml $values.resources | nindent 8 }}
      volumeMounts: {{- include "voucherbus.mounts" . | nindent 8 }}
        {{- if .spool }}
        - { name: spool, mountPath: /var/spool/voucherbus }
        {{- end }}
  volumes: {{- include "voucherbus.volumes" . | nindent 4 }}
{{- end }}
