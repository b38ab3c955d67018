daService.Connect().then(function (result) {
    if (result) console.log("connected"); else console.log("connection error");
});
