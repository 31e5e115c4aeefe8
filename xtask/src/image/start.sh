# Starts both programs of the image as its user, waits until the operator is ready, and ends it as Kubernetes does. Everything that
# was started ends with this shell.
set -eu
mount=$1 logs=$2 user=$3 kubeconfig=$4 kubectl=$5 administrator=$6 upstream=$7 admin=$8 health=$9
# What a pod has as volumes: the ledger's directory, /tmp, and its credentials.
own="--owner=${user%:*} --group=${user#*:}"
install -d $own "$mount/var/lib/adconversion" "$mount/tmp"
install -D $own --mode=400 "$kubeconfig" "$mount/run/kubeconfig"
export KUBECONFIG=/run/kubeconfig
now() { date +%s%3N; }
finish() {
    status=$?
    kill -s KILL $children 2> /dev/null || true
    if [ "$status" -ne 0 ]; then tail -n 20 "$logs"/*.log >&2; fi
}
children=
trap finish EXIT
chroot --userspec="$user" "$mount" /usr/local/bin/adconversion-sandbox --listen="$upstream" --admin="$admin" \
    > "$logs/sandbox.log" 2>&1 &
children="$children $!"
begin=$(now)
chroot --userspec="$user" "$mount" /usr/local/bin/adconversion run \
    --ledger-url=sqlite:///var/lib/adconversion/ledger.db --listen="$health" --admin-listen= \
    --hubspot-endpoint="http://$upstream" --google-ads-endpoint="http://$upstream" --data-manager-endpoint="http://$upstream" \
    --google-token-endpoint="http://$upstream/token" > "$logs/operator.log" 2>&1 &
operator=$!
children="$children $operator"
chroot --userspec="$user" "$mount" /usr/local/bin/adconversion ready --url="http://$health/readyz" --timeout=60s
ready=$(($(now) - begin))
"$kubectl" --kubeconfig "$administrator" wait --for=condition=Ready --timeout=60s --namespace marketing \
    hubspotaccount/acme googleadsaccount/acme
echo "ready after $ready ms"
kill -s TERM "$operator"
wait "$operator"
test -s "$mount/var/lib/adconversion/ledger.db"
