connection.invoke("AvailableSubscriptions", subscriptions).then(function (payload) {
            console.log("Available subscriptions " + JSON.stringify(payload));
        }).catch(function (err) {
    return console.error(err.toString());
});
