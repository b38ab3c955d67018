var subscriptions = new Array();
subscriptions.push({
  EntityId: "a1eeb030-ff4b-ea11-ac9c-00155d4fdcf3", 
  EventName: "UserAvailability" 
});


connection.invoke("Unsubscribe", subscriptions).then(function (payload) {
            console.log("Unsubscription result: " + JSON.stringify(payload));
        }).catch(function (err) {
    return console.error(err.toString());
});
