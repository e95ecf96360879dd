-- What content each customer looked at, by day.
with content_views as (
    select * from intermediate.content_views
),

identity_members as (
    select * from intermediate.identity_members
),

content as (
    select * from staging.content
),

final as (
    select
        coalesce(identity_members.customer_id, content_views.customer_id)
            as customer_id,
        content_views.day,
        coalesce(content.content_type, '(none)') as content_type,
        coalesce(content.buying_stage, '(none)') as buying_stage,
        cast(sum(content_views.views) as bigint) as views
    from content_views
    left join identity_members
        on content_views.customer_id = identity_members.landed_id
    left join content on content_views.content_id = content.content_id
    where content_views.day <= $as_of
    group by
        coalesce(identity_members.customer_id, content_views.customer_id),
        content_views.day,
        coalesce(content.content_type, '(none)'),
        coalesce(content.buying_stage, '(none)')
)

select * from final
