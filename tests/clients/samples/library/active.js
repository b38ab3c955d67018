daService.GetActiveSubscriptions().then(function (payload) {
    console.log("GetActiveSubscriptions result: " + JSON.stringify(payload));
}).catch(function (err) {
    return console.error(err.toString());
});
