#!/bin/bash
b=$(cd "$(dirname "$0")/.." && pwd)
: "${KAFKA_LOG4J_OPTS=-Dlog4j2.configurationFile=$b/config/tools-log4j2.yaml}"
: "${KAFKA_HEAP_OPTS=-Xmx256M}"
: "${KAFKA_JVM_PERFORMANCE_OPTS=-XX:TieredStopAtLevel=1 -Xshare:auto}"
# shellcheck disable=SC2086
exec "${JAVA_HOME:-/opt/java/openjdk}/bin/java" $KAFKA_HEAP_OPTS $KAFKA_JVM_PERFORMANCE_OPTS ${KAFKA_GC_LOG_OPTS-} \
  ${KAFKA_JMX_OPTS-} $KAFKA_LOG4J_OPTS -cp "${CLASSPATH:+$CLASSPATH:}$b/libs/*" ${KAFKA_OPTS-} "$@"
