-- One feed brings every contact: nothing to unite.
with interactions as (
    select * from landed.interactions
)

select
    interaction_id,
    customer_id,
    occurred_at,
    direction,
    channel,
    kind,
    campaign_id,
    content_id,
    product_id,
    response,
    value
from interactions
